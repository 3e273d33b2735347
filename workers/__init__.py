"""What RQ runs: jobs, event handlers, the effects, and the only door to Stripe. (An RQ worker is a process; this is the code it runs.)"""
