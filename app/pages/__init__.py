"""The pages people see, as Streamlit scripts; they hold widgets and charts, no SQL and no paths."""
