"""Who is asking: client assertions and access tokens of tills, bearer tokens of consumers and officers.

All times here are real time (`runtime.clock.real_now`), never business time, and are handed in as `now`.
"""
