"""Settings, database, HTTP errors, logs and tokens: what a service needs, with no business noun."""
