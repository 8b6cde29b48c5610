"""CloudWatch as moto lacks it: what services publish, metrics out of logs, and alarms that look at them."""
