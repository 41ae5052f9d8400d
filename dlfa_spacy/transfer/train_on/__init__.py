"""A trained pipeline, trained further on some texts of other languages: `dlfa train-on`."""
