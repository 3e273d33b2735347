"""What each process needs before it can start: settings, limits, logs, clock, wiring, the embedded queue server."""
