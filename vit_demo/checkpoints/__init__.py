"""From a name to a strictly loaded model: catalog · sources · formats · configs · keymaps · load."""
