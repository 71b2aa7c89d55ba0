"""The only place of `app` that asks the lake; every question names the sites it may speak of."""
