"""How long the inputs are that chance makes: from one with a change or two to one with many."""

LENGTHS = (16, 48, 96, 160)
