"""The HTTP door for machines: Stripe's webhook receiver."""
