"""The deployment on this machine: the emulator's process, and the CDK CLI run against it."""
