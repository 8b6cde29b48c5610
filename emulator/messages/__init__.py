"""Messages between services: SNS to SQS, SQS to functions, schedules to functions; at least once, with faults."""
