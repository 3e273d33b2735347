"""The dashboard: server-rendered pages for the people who run the refunds, on a port of its own."""
