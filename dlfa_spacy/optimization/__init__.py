"""A trained pipeline made smaller and faster: `dlfa optimize`."""
