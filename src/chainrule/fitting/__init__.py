"""A fit, from what is asked for to the result that everything else reads.

`MLPEstimator._fit` calls these in order, and a race the same up to its data (`chainrule.race`):

prepare      the request; the rows in memory, those that there is time for, their data, and what is noticed of them
fit          one fit of these data: its plan, its start, its training, its result
callbacks    who is told of it
progress     the line that shows it

and these do what each step needs:

parameters   of the estimators, each described once
from_source  the rows of a source
in_time      the rows that a time limit leaves time to prepare
plan         what a fit is done by: its parameters, with what a recipe sets of them
begin        the network and the optimizer that it begins with, whose first parameters are in `start`
train        by batches or by a solver; `folds` trains members that each leave out a fold, `refit` on all rows after
loop         one run of the training loop, whose scores are in `curve` and whose clock in `limit`
result       what a fit has found
held         the base of the estimators, which hold a result
files        an estimator as data for a file
"""
