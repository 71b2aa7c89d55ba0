"""The script Streamlit runs for every session and every rerun."""

from app.pages.frame import show

if __name__ == "__main__":
    show()
