"""preset="best": several recipes race on rows held out, and the winners' weighted average is what predicts.

candidates   the recipes of a race, in their order
asked        whether there can be a race, and its seconds
draw         its folds and seeds; the races of few rows
race         the race within a time limit
runner       its fits, in threads
rows         their rows, folds, and inputs
state        its fits so far, from which it goes on
plan         what it did, as data
repeat       the same race again, by that
judge        the loss of predictions of rows held out; greedy weights; the temperature of probabilities
fit_lookup   whether similar rows improve the average, and what makes rows similar
blend        the average of the winners
report       what happened
files        one file of all networks of an average
callbacks    what callbacks are told of a race
"""
