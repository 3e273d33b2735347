"""What RQ runs: jobs, event handlers, the effects, and the only door to Stripe.

An RQ worker is a process; this package is the code that it runs.
"""
