"""Measures what users wait for, each as a ratio to something on the same machine in the same run."""
