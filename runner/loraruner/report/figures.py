"""Numbers as people read them."""


def number(value: float | None) -> str:
    """Four significant digits; whole numbers in groups of three; a dash for None."""
    if value is None:
        return "—"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """``0.53 s``, ``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(num_bytes: float) -> str:
    """Decimal units, as disks are sold: ``812 B``, ``4.2 MB``, ``1.3 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} {unit}" if unit == "B" or num_bytes >= 100 else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def change(before: float | None, after: float | None) -> str:
    """``0.523 → 0.312``, three significant digits; a dash where nothing was measured."""
    return " → ".join("—" if value is None else f"{value:.3g}" for value in (before, after))


def percent(value: float | None) -> str:
    """A share as ``6.2 %``, one decimal place; a dash for None."""
    return "—" if value is None else f"{100 * value:.1f} %"


def percent_change(before: float | None, after: float | None) -> str:
    """``35.1 % → 6.2 %``; a dash where nothing was measured."""
    return f"{percent(before)} → {percent(after)}"


def gpu_hours(seconds: float) -> str:
    """Seconds of a GPU as hours, to a thousandth; a dash for none."""
    return f"{seconds / 3600:,.3f}" if seconds else "—"
