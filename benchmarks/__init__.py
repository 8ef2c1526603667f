"""Measurements that take longer than a test may, each with its stored result."""
