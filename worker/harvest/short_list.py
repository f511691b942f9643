"""Small compiled pieces that several statistics share: a short list by score, and a sort in place.

They are written as loops because numba takes seconds to compile slice assignments and its own sort.
"""

from worker.harvest.compiled import compiled


@compiled
def insert_by_score(scores, ids, score, new_id):
    """Put an id into a list kept best first; equal ones stay in order of arrival.

    Returns its place, or -1 where it has none; what was last in a full list falls out.
    """
    place = len(scores)
    while place > 0 and scores[place - 1] < score:
        place -= 1
    if place == len(scores):
        return -1
    for i in range(len(scores) - 1, place, -1):
        scores[i], ids[i] = scores[i - 1], ids[i - 1]
    scores[place], ids[place] = score, new_id
    return place


@compiled
def sort_ascending(keys):
    """Shell's sort, with gaps that shrink by 4 ninths."""
    gap = 1
    while gap * 9 // 4 < len(keys):
        gap = gap * 9 // 4 + 1
    while gap > 0:
        for i in range(gap, len(keys)):
            key = keys[i]
            j = i
            while j >= gap and keys[j - gap] > key:
                keys[j] = keys[j - gap]
                j -= gap
            keys[j] = key
        gap = 0 if gap == 1 else max(1, gap * 4 // 9)
