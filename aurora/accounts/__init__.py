"""The accounts database: people, sites, devices, keys, tariffs, leases, and everything a person decided.

`database` opens it, `models` declares its tables, `migrations` changes them; one module a subject does the rest.
"""
