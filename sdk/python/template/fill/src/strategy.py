"""Which ads fill a break. It knows no host: try it with `python3 -m unittest discover src`."""

from fields import count, field

# Seconds: lengths are sums of decimal fractions, which are seldom exact.
TOLERANCE = 1e-6


def max_ads(config):
    """How many ads a break may have at most, `None` for any number."""
    return field(config, "max_ads", count)


def choose(candidates, duration, limit):
    """Takes each ad that still fits, best first, and no two of one category."""
    pod = []
    categories = set()
    taken = 0.0
    for place, ad in enumerate(candidates):
        if limit is not None and len(pod) >= limit:
            break
        if ad.duration > duration - taken + TOLERANCE or ad.category in categories:
            continue
        pod.append(place)
        taken += ad.duration
        if ad.category is not None:
            categories.add(ad.category)
    return pod
