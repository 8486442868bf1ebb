"""Probes: how a device is asked for its readings without a session on it."""
