"""Reading a checkpoint: what does not fit, and what to do."""

WORDS = {
    "set_twice": "{name} holds {key} twice under two names, so it is not clear which is meant. Use another copy.",
    "unknown_keys": (
        "{name} holds {count} tensors that its architecture does not have ({keys}). Nothing is loaded approximately: "
        "check that config.json belongs to these weights, or choose another model."
    ),
    "missing_keys": (
        "{name} lacks {count} tensors of its architecture ({keys}). Nothing is filled with random numbers: check that "
        "config.json belongs to these weights, or fetch the model again."
    ),
    "head_missing": (
        "{name} is described as a classifier, but its file holds no classifier, and a random one would predict "
        "nonsense. Choose a checkpoint with its head, or open the backbone alone."
    ),
    "wrong_shape": (
        "In {name}, {key} is {got} where the architecture has {wanted}. Check that config.json belongs to these weights."
    ),
    "unsupported": "{name} cannot be represented faithfully: {reason}. Choose a plain Vision Transformer.",
    "damaged_weights": "The weights of {name} are damaged or incomplete. Delete the file and fetch it again.",
    "unsafe_pickle": (
        "{name} holds more than weights: reading it would run code of its author, so it is not read. Ask for a "
        "safetensors file."
    ),
    "adapter": (
        "{name} is an adapter, not a model: it holds only what was added to its base model. Merge it with "
        "merge_and_unload(), save the merged model, and open that."
    ),
    "quantised": (
        "The weights of {name} are quantised (its config.json has a quantization_config), and rounded numbers would be "
        "taken for the weights. Open the original, or save it after dequantize()."
    ),
    "not_numbers": (
        "In {name}, {key} is of type {kind}, which is not read: whole numbers, for one, are weights only together with a "
        "scale. Save the model with dense tensors of a floating-point type and open that."
    ),
    "not_finite": (
        "In {name}, {key} holds numbers that are none (NaN or infinite): the training went wrong or the file was cut. "
        "Fetch the model again, or open an earlier checkpoint."
    ),
    "chunks_unclear": (
        "{name} keeps its blocks in chunks (blocks.0.0, blocks.0.1 …), and their numbers leave gaps or overlap, so their "
        "order is not clear. Save the model with its blocks in one list."
    ),
    "no_config": (
        "The architecture of {name} cannot be told from the file alone. Put the config.json that belongs to it in the "
        "same folder and open the folder."
    ),
    "unknown_format": "{name} is a {suffix} file. Choose .safetensors, .pth, .pt, .bin or .npz.",
    "not_offered": "{name} is not among the models offered here. Choose one from the list.",
}
