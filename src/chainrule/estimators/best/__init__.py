"""preset="best": several recipes race on rows held out, and the winners' weighted average is what predicts.

candidates   what races, in the order in which it does
asked        whether there can be one, and its seconds
race         the race within a time limit
runner       its fits, in threads
rows         their rows, folds, and inputs
state        its fits so far, from which it goes on
saved        these as files
plan         what it did, as data
repeat       the same race again, by that
fits         those of a candidate, those that have ended, and what stops one
judge        the loss of predictions of rows held out
weights      greedy weights of an average, and the temperature of its probabilities
blend        that average
report       what happened
files        one file of all networks of an average
"""
