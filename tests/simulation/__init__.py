"""Whole histories of a mirror, each from one seed: sides, ledger, clock, threads, crashes."""
