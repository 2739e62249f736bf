"""What the deploy tests are made of; conftest.py makes fixtures of it."""
