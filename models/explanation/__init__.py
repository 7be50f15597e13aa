"""What SHAP values say of a model, and how stable it is."""
