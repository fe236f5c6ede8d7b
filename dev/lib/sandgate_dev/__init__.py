"""What dev/cluster and dev/testenv are made of. Python's standard library alone."""
