"""What stands in the repository beside its workflows: packages, front ends, test suites, task runners."""
