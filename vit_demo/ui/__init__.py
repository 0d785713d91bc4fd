"""The page. Knows gradio, the contract, render and text; knows no torch."""
