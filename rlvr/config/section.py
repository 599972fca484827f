"""What every section of the configuration is: frozen, without unknown keys, and with null for "no value"."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_written_null(cls, value: Any, info: ValidationInfo) -> Any:
        """Text such as `none` for an optional key would be taken literally: as an instruction, or a revision."""
        optional = type(None) in get_args(cls.model_fields[str(info.field_name)].annotation)
        if optional and isinstance(value, str) and value.strip().lower() in ("none", "unset"):
            raise ValueError(f"found the text {value!r}; for no value, write null")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _fits_in_64_bits(cls, value: Any) -> Any:
        if (
            isinstance(value, int) and value.bit_length() > 63
        ):  # else it fails later, in a generator or a file
            raise ValueError(f"found an integer of {value.bit_length()} bits; expected one of at most 63")
        return value
