"""The Features tab."""

WORDS = {
    "file_title": "What {title} knows, layer {layer}",
    "tab": "Features",
    "layer": "Layer",
    "facet": "What of each patch",
    "facet_token": "token",
    "facet_key": "keys",
    "facet_query": "queries",
    "facet_value": "values",
    "view_colours": "Colours and similarity",
    "view_segments": "Segments",
    "view_norms": "Norms and registers",
    "view_evolution": "Through the layers",
    "view_pairs": "Pairs",
    "view_alike": "Similar pictures",
    "help_colours": (
        "**You see** how similar every patch is to the one under the pointer (cosine), and beside it the three strongest directions "
        "of all patches (PCA) as red, green and blue. **Read it**: equal colour means alike for this layer, also across "
        "pictures, which share one basis. Click to pin a patch. **It does not mean** that a colour stands for a thing: the "
        "directions are those of these pictures, and their signs are arbitrary."
    ),
    "help_segments": (
        "**You see** patches grouped by likeness alone; nobody named anything. **Read it**: k-means makes as many groups as you "
        "ask for; the normalised cut (N-cut) parts the picture in two where patches are least alike. **It does not mean** that "
        "the model was taught to segment: borders are as coarse as its patches."
    ),
    "help_norms": (
        "**You see** how long each token is, as it leaves a layer. **Read it**: in some large models a few patches in dull "
        "places become far longer than the rest; models with registers keep such sums there instead. **It does not mean** "
        "that every model does this, nor that a model with registers has clean maps; small models often have neither."
    ),
    "help_evolution": (
        "**You see** how similar a token is to itself at other depths, and with a classifier what it would answer if it read "
        "each layer (logit lens). **Read it** from the input (0) to the last layer. **It does not mean** that the model "
        "knows the answer early: its head was only ever trained on the last layer."
    ),
    "help_pairs": (
        "**You see** patches of two pictures that are each other's most alike, among those that the class token looks at. "
        "**Read it** as parts that the model takes for the same; the recipe of the literature is keys of layer 9 or 10 of 12. "
        "**It does not mean** that unmatched parts differ: ten pairs are chosen, spread over the picture."
    ),
    "help_alike": (
        "**You see** your own pictures and the examples in order of likeness to the picture on the left, and all of them on a "
        "plane. **Read it**: by PCA, near is alike in the two strongest directions only; the list uses all. "
        "**It does not mean** that the model would call them the same."
    ),
    "more": "Compare with examples",
    "more_info": "up to seven more pictures, on one basis; Pairs uses the first",
    "uploads": "Or your own pictures",
    "method": "Colours as in",
    "foreground": "Black out the background (by the first component)",
    "flip": "Swap foreground and background",
    "opacity": "similarity over picture",
    "fixed": "scale from 0",
    "smooth": "smooth",
    "table": "colours",
    "unpin": "unpin",
    "scale": "cosine with the chosen patch, from the least to 1",
    "from": "from picture {number}, row {row}, column {col}",
    "to": "to picture {number}, row {row}, column {col}: {value}, rank {rank} of {count}",
    "best": "most alike in picture {number}: row {row}, column {col} ({value})",
    "stage_label": "Picture {number}, {rows} rows by {cols} columns of patches. Arrow keys move, Enter pins, Escape unpins.",
    "like_caption": "picture {number}: similarity",
    "pca_caption": "picture {number}: PCA, shares of variance {shares}",
    "way": "Group by",
    "way_kmeans": "k-means",
    "way_ncut": "normalised cut",
    "count": "Groups (k-means)",
    "saw": "the picture that the model saw",
    "foreground_share": "foreground: {share} % of the patches",
    "cut_vector": "the eigenvector that is cut in two",
    "segment": "group {number}: {share} %",
    "segments_over": "{count} groups over the picture",
    "threshold": "Outlier above",
    "threshold_info": "0: from the quartiles; the paper uses 150 for DINOv2 giant",
    "other": "Compare with another model",
    "other_info": "for instance the same with registers",
    "threshold_given": "as you set it",
    "threshold_tukey": "third quartile + 3 × quartile distance",
    "outliers": "{count} of {total} patches ({share} %) are longer than {threshold} ({rule})",
    "norm_map": "norm after layer {layer}; outlier patches are outlined",
    "norms_by_layer": "norm by layer",
    "median_patch": "median of the patches",
    "largest_patch": "largest patch",
    "no_prefix": "This model has no class token and no registers, so nothing but patches can absorb attention.",
    "absorb_heading": "What class token and registers absorb in this layer (mean of heads)",
    "looks": "Where each of them looks, in percent; one scale for all.",
    "absorbs": "How much of each patch's attention each of them gets, in percent; one scale for all.",
    "looks_one": "{name}: {share} % on patches",
    "absorbs_one": "{name}: gets {share} % on average",
    "patches_mean": "patches (mean)",
    "between_patches": "patches: every depth with every other, cosine −1 to 1, input first",
    "between_cls": "class token: every depth with every other, cosine −1 to 1, input first",
    "to_final": "cosine with its own last state, by depth (0 is the input)",
    "to_final_maps": "Each patch with its own last state, cosine −1 to 1.",
    "depth_name": "depth {depth}",
    "no_lens": "This model has no head, so there is no answer to read early.",
    "lens_class": "Class of the maps",
    "lens_heading": "Logit lens: {label}",
    "lens_note": (
        "What the head gives to “{label}” if it reads one patch of that layer instead of its own token; in percent, one scale for "
        "all. Below each map: the class that is most probable for the whole picture, and the share of “{label}”."
    ),
    "lens_one": "layer {layer}: {best}; {share} %",
    "need_second": "Choose a second picture under “Colours and similarity”: an example, or one of your own.",
    "no_pairs": "No two salient patches are each other's most alike. Try another layer, keys instead of tokens, or another picture.",
    "around": "Compare what lies around each patch too (log-binning)",
    "pairs_label": "{count} pairs, chosen among {mutual} that are each other's most alike",
    "pairs_list": "The pairs in numbers",
    "pair": "row {row}, column {col} ↔ row {row2}, column {col2}: cosine {cosine}",
    "own": "Your own pictures, up to 48",
    "own_code": "pictures of your own",
    "own_picture": "your picture {number}",
    "this_picture": "this picture",
    "by": "Compare by",
    "by_cls": "class token",
    "by_patches": "mean of the patches",
    "alike_how": "Cosine after layer {layer} of {depth}, all pictures at 224 pixels.",
    "alike_centred": "The mean of all was taken off first.",
    "plane_by": "Plane by",
    "plane_umap": "all of them by UMAP: near pictures are alike; distances between far ones, and the axes, mean nothing",
    "plane": "all of them on the two strongest directions, which hold {first} % and {second} % of the variance",
    "too_many_pictures": "{count} pictures were given; from 1 to {most} can be compared at once. Leave some out.",
    "no_foreground": (
        "Hardly any patch is foreground in these pictures, so there is nothing to colour. Show the background too, or take "
        "the other side."
    ),
    "sources_heading": "Formulas, papers and limits",
    "sources": (
        "- **Token**: the layer's output after the model's final norm. **Keys, queries, values**: as attention got them, all heads "
        "side by side; where the model rotates (RoPE), keys and queries hold the place too.\n"
        "- **PCA, DINOv2's way** (Oquab et al. 2023, Fig. 1): the first component of each picture parts fore- and background; the "
        "sign is chosen so that the rim is background; three components of all foreground patches together, each from its "
        "least to its largest value.\n"
        "- **PCA, DINOv3's way** (its notebook pca.ipynb): scores divided by their deviation, then the sigmoid of twice that. There "
        "the foreground comes from a classifier that was not published; here the first component, smoothed by a 3×3 "
        "median, stands in for it.\n"
        "- **Similarity**: cosine of two patches. Vectors travel as 8-bit integers: right to about 0.01.\n"
        "- **k-means** (Lloyd 1982) on unit vectors, by scikit-learn. **Normalised cut** (Shi & Malik 2000) as in TokenCut (Wang et "
        "al. 2022), by scipy; an edge joins patches that are more alike than the picture's average, where TokenCut fixes 0.2.\n"
        "- **Norms** (Darcet et al. 2024, “Vision Transformers Need Registers”): length in the residual stream. Far out is a rule of "
        "Tukey's, not the paper's, whose 150 fits one model. Not every family has such tokens (arXiv 2603.25803), and large "
        "models with registers can still mislead (arXiv 2505.05892).\n"
        "- **Logit lens** (nostalgebraist 2020; for ViTs Vilas et al. 2023): final norm and head on an earlier layer.\n"
        "- **Pairs** (Amir et al. 2021, dino-vit-features): mutual nearest neighbours whose patches hold more than 0.05 of the class "
        "token's attention, from least to largest; k-means makes ten groups, of which the most salient pair is shown.\n"
        "- **Similar pictures**: cosine of class tokens, or of the patches' mean; the plane is their PCA, or UMAP (McInnes et al. "
        "2018, arXiv 1802.03426) where umap-learn is installed: neighbours alone are kept."
    ),
}
