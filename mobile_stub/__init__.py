"""The face towards consumers: claims, balance, and a scanner of receipt pictures."""
