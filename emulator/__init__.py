"""AWS on this machine, for local work and the deploy tests: moto plus what moto lacks."""
