"""What the portal costs, held against what the same work costs without it, in one run: `make bench`."""
