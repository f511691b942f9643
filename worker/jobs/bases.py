"""Bases as dictionaries: made from a pilot sample, kept in the store, registered like an SAE."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from catalog.records import DictionaryRecord
from worker.corpus.tokenized import Corpus
from worker.jobs.basis_file import save_basis
from worker.jobs.corpora import corpus_of
from worker.jobs.dictionaries import BASIS_PREFIX
from worker.jobs.errors import JobError
from worker.jobs.ledger import Ledger
from worker.jobs.pilot import pilot_activations
from worker.jobs.places import basis_place
from worker.jobs.progress import Stages
from worker.jobs.register import add_dictionary
from worker.jobs.store import Store
from worker.lm.model import LanguageModel
from worker.sae.basis import neurons, principal_components, random_directions
from worker.sae.conventions import Conventions
from worker.sae.dictionary import Dictionary

BASES = ("neurons", "pca", "random")


@dataclass(frozen=True, slots=True)
class BasisRequest:
    """Which basis to make. model: slug.

    n_ctx, prepend_bos: as of the dictionaries it is compared to, so that they share a pass; without prepend_bos the
    tokenizer's own rule holds.
    """

    kind: str
    model: str
    hook_name: str
    corpus: str
    n_ctx: int = 128
    prepend_bos: bool | None = None
    density: float = 0.01
    n_directions: int = 256
    seed: int = 0
    name: str | None = None


def add_basis(
    store: Store, ledger: Ledger, model: LanguageModel, request: BasisRequest, *, stages: Stages
) -> DictionaryRecord:
    """Tokenise the corpus where need be, set the thresholds, keep the basis and register it."""
    model.hook_width(request.hook_name)
    corpus = corpus_of(store, request.corpus, model.tokenizer, stages=stages)
    return add_basis_on(store, ledger, model, corpus, request=request)


def add_basis_on(
    store: Store, ledger: Ledger, model: LanguageModel, corpus: Corpus, *, request: BasisRequest
) -> DictionaryRecord:
    """The same on a corpus that is open already."""
    conventions = Conventions(
        prepend_bos=model.tokenizer.prepend_bos if request.prepend_bos is None else request.prepend_bos,
        n_ctx=request.n_ctx,
        weight_processing=model.weight_processing,
    )
    pilot = pilot_activations(model, corpus, (request.hook_name,), conventions, seed=request.seed)
    basis = make_basis(request, pilot[request.hook_name], conventions)
    place = basis_place(basis.hash)
    path = store.path(place)
    save_basis(basis, path)
    store.put(place, path)
    name = request.name or f"{request.model} {request.kind} {request.hook_name}"
    return add_dictionary(ledger, model, basis, source=f"{BASIS_PREFIX}{path}", name=name, model_slug=request.model)


def make_basis(request: BasisRequest, pilot: Float[Tensor, "token d_in"], conventions: Conventions) -> Dictionary:
    """The basis of a request. Raises JobError on a kind that is none."""
    if request.kind == "neurons":
        return neurons(
            pilot,
            hook_name=request.hook_name,
            model_name=request.model,
            conventions=conventions,
            density=request.density,
        )
    if request.kind == "pca":
        return principal_components(
            pilot,
            hook_name=request.hook_name,
            model_name=request.model,
            conventions=conventions,
            density=request.density,
        )
    if request.kind == "random":
        return random_directions(
            pilot,
            n_directions=request.n_directions,
            seed=request.seed,
            hook_name=request.hook_name,
            model_name=request.model,
            conventions=conventions,
            density=request.density,
        )
    raise JobError(f"There is no basis {request.kind!r}; bases are {', '.join(BASES)}.")
