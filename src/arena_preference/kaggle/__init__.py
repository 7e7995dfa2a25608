"""The way to an offline notebook on Kaggle: one folder with everything that predicting there needs."""
