"""Adds models and dictionaries to the catalog, after checking that they fit each other."""

from catalog.records import DictionaryRecord, ModelRecord
from catalog.tokens import Vocabulary
from worker.jobs.errors import JobError
from worker.jobs.ledger import Ledger
from worker.jobs.sources import portable
from worker.lm.model import LanguageModel
from worker.sae.dictionary import Dictionary

BASIS_FIELDS = ("density", "pilot_tokens", "seed")


class DictionaryDoesNotFit(JobError):
    """A dictionary and a model that do not belong to each other."""


def add_model(ledger: Ledger, model: LanguageModel, *, name: str | None = None) -> ModelRecord:
    """The row of a loaded model; the one that is there already, where weights and tokenizer are the same."""
    record = ModelRecord(
        slug="",
        name=name or model.name,
        source=portable(model.source),
        architecture=model.architecture,
        weights_hash=model.weights_hash,
        tokenizer_hash=model.tokenizer.hash,
        d_model=model.d_model,
        n_layers=model.n_layers,
        d_vocab=model.d_vocab,
        n_ctx=model.n_ctx,
        tokenizer_rules=dict(model.tokenizer.rules),
    )
    tokenizer = model.tokenizer
    vocabulary = Vocabulary.of(tokenizer.hash, tokenizer.token_bytes(model.d_vocab), tokenizer.special_ids)
    with ledger.writing() as writer:
        slug = writer.add_model(record)
        writer.add_vocabulary(vocabulary)
    with ledger.reading() as reader:
        return reader.model(slug)


def add_dictionary(
    ledger: Ledger,
    model: LanguageModel,
    dictionary: Dictionary,
    *,
    source: str,
    model_slug: str,
    name: str | None = None,
) -> DictionaryRecord:
    """The row of a dictionary; the one that is there already, where the hash is the same.

    Raises HookNotFound and DictionaryDoesNotFit before anything is written.
    """
    check_fit(model, dictionary)
    name = name or default_name(model_slug, dictionary)
    record = DictionaryRecord(
        slug="",
        name=name,
        hash=dictionary.hash,
        model=model_slug,
        hook_name=dictionary.hook_name,
        kind=dictionary.kind,
        d_in=dictionary.d_in,
        d_sae=dictionary.d_sae,
        source=portable(source),
        conventions=dictionary.conventions.to_json(),
        config=_config(dictionary),
        quality=dictionary.metadata.get("quality"),
        harvest=None,
    )
    with ledger.writing() as writer:
        slug = writer.add_dictionary(record)
    with ledger.reading() as reader:
        return reader.dictionary(slug)


def check_fit(model: LanguageModel, dictionary: Dictionary) -> None:
    """Raises HookNotFound or DictionaryDoesNotFit where the dictionary cannot sit on this model."""
    width = model.hook_width(dictionary.hook_name)
    if width != dictionary.d_in:
        raise DictionaryDoesNotFit(
            f"The dictionary reads {dictionary.d_in} values (W_enc is {dictionary.d_in} by {dictionary.d_sae}), but "
            f"{dictionary.hook_name!r} of model {model.name!r} holds {width}. It belongs to another hook or model."
        )
    conventions = dictionary.conventions
    if conventions.n_ctx > model.n_ctx:
        raise DictionaryDoesNotFit(
            f"The dictionary was made on contexts of {conventions.n_ctx} tokens, but model {model.name!r} takes at "
            f"most {model.n_ctx}. It belongs to another model."
        )
    if conventions.prepend_bos and model.tokenizer.bos_id is None:
        raise DictionaryDoesNotFit(
            f"The dictionary wants a BOS token before every context, and the tokenizer of {model.name!r} has none. "
            "Set prepend_bos to false in its cfg.json if it was trained without."
        )


def default_name(model_slug: str, dictionary: Dictionary) -> str:
    """What a dictionary is called where nobody says."""
    return f"{model_slug} {dictionary.hook_name} {dictionary.kind} {dictionary.d_sae}"


def _config(dictionary: Dictionary) -> dict[str, object]:
    """The firing rule in words and numbers."""
    config: dict[str, object] = {"k": dictionary.k} if dictionary.k is not None else {}
    config |= {name: dictionary.metadata[name] for name in BASIS_FIELDS if name in dictionary.metadata}
    return config
