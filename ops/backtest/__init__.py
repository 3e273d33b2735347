"""The back-test: a terms file tried on stored events, against what then happened.

Events are read once, in the order in which they were made, into a history that holds no more than the reports of a card
can speak about (`case_history.py`); each set of terms is a trial over it (`terms_trial.py`), and what became of each
payment is counted against what each would have decided (`outcome_tally.py`).
"""
