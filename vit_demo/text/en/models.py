"""Finding, fetching and loading models: what went wrong, and what to do."""

from __future__ import annotations

WORDS = {
    # -- errors: finding and fetching weights (checkpoints/sources, hub, hub_cache, reach) -----------------------------
    # the name that was given
    "bad_name": "{name} is not a model's name. Write owner/name as on the Hub, if need be with @revision, or the "
    "path of a folder or a weights file.",
    "no_such_file": "There is no file or folder {name}. Check the spelling and the folder it should be in.",
    "unknown_file": "{name} is not a kind of weights file that can be read. Choose a file that ends in one of: "
    "{kinds}.",
    "not_readable": "{name} cannot be read. Check whose folder it is and what its permissions are.",
    # what is in a folder or repository
    "no_weights": "{name} holds no weights that can be read: neither model.safetensors nor pytorch_model.bin, "
    "whole or in parts, nor one other .safetensors, .pth, .pt or .bin file. Choose another model.",
    "adapter": "{name} is an adapter for {base}, not a model: it holds only what was added to it. Merge it into its "
    "base model with merge_and_unload(), save the merged model, and open that.",
    "several_weights": "{name} holds several weights files and none has the usual name: {files}. Download the one "
    "you mean and open that file.",
    "missing_shards": "The weights of {name} come in several files, and {count} of them are missing, the first is "
    "{file}. Fetch the model again.",
    "bad_json": "{file} of {name} is damaged or not what it should be. Fetch the model again, or ask its author.",
    # the network
    "offline": "{name} is not on this computer, and going online is switched off. Choose a model that is on this "
    "computer, or unset HF_HUB_OFFLINE and start again.",
    "unreachable": "{name} is not on this computer, and the Hub does not answer. Check the network (and "
    "HF_ENDPOINT, if it is set), or choose a model that is on this computer.",
    "not_the_hub": "{name} is not on this computer, and something else answers in the Hub's place: a login page "
    "of this network, or a filter. Open any web page to log in, or ask whoever looks after the network; then try "
    "again.",
    "proxy": "{name} is not on this computer, and the proxy refuses the connection to the Hub. Check HTTPS_PROXY, "
    "or ask whoever looks after the network.",
    "certificate": "{name} is not on this computer, and the Hub's certificate is not trusted here; some networks "
    "replace it. Ask for the network's certificate and set SSL_CERT_FILE to it.",
    "interrupted": "The download of {name} broke off, also when tried again. Check the network and try again.",
    "damaged_download": "{file} of {name} arrived damaged twice: its checksum is wrong. Nothing of it was kept. "
    "Try again later or from another network.",
    # the Hub's answer
    "hub_down": "{name} is not on this computer, and the Hub answers with an error (status {status}). Try again "
    "in some minutes, or choose a model that is on this computer.",
    "hub_busy": "{name} is not on this computer, and the Hub asks for a pause: too many requests came from this "
    "network. Try again in some minutes.",
    "not_on_hub": "The Hub has no model {name}, or it is private. Check the spelling; for a private model, set "
    "HF_TOKEN to an access token that may read it.",
    "no_revision": "{name} has no revision {revision}. Choose a branch, tag or commit that its page on the Hub lists.",
    "file_gone": "A file of {name} has gone from the Hub since its list was made. Try again.",
    "gated": "{name} has a licence to accept first. Accept it on the model's page on the Hub, set HF_TOKEN to an "
    "access token of the same account, and start again.",
    "token_refused": "The Hub refuses {name} with this access token. Renew the token, allow it to read gated "
    "models, or unset HF_TOKEN for a model that is open to all.",
    "token_missing": "The Hub gives {name} only to those whom it knows. Set HF_TOKEN to an access token that may read "
    "it, and start again.",
    "taken_down": "{name} has been taken down from the Hub. Choose another model.",
    "no_hub_library": "{name} would come from the Hub, but huggingface_hub is not installed. Install it with pip "
    "install huggingface_hub, or open a folder or a file.",
    # the disk
    "too_large": "{name} would be a download of {size_gb} GB; the limit is {limit_gb} GB. Choose a smaller model.",
    "disk_full": "There is not enough room on the disk for {name}: {need_mb} MB have to be free. Make room and "
    "try again.",
    "not_stored": "{name} could not be stored ({reason}). Set HF_HOME to a folder that can be written to.",
    # -- end of: finding and fetching weights --------------------------------------------------------------------------
}
