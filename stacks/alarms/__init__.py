"""Which alarms there are, and on what, as data. Nothing here loads the CDK: the preflight asks for their names."""
