"""The bundle for an offline notebook on Kaggle: one folder with everything that predicting needs."""
