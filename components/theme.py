"""The look as a gradio theme: paper, ink, one colour that acts. The style sheet does the rest."""

from __future__ import annotations

from collections.abc import Mapping

from gradio import WaveformOptions
from gradio.themes import Base
from gradio.themes.utils import colors, sizes

PAPER, PAPER_DARK = "#FAF9F6", "#131316"
SURFACE, SURFACE_DARK = "#FFFFFF", "#1B1B20"
INK, INK_DARK = "#1B1B1F", "#EDECE8"
QUIET, QUIET_DARK = "#6B6A70", "#A09FA6"
HAIRLINE, HAIRLINE_DARK = "#E7E4DD", "#2C2C33"
OUTLINE, OUTLINE_DARK = "#CFCBC1", "#43434C"
ACT, ACT_DARK = "#3D3BD9", "#8B8AF5"
ACT_HOVER, ACT_HOVER_DARK = "#2F2DB8", "#A3A2F8"
ON_ACT, ON_ACT_DARK = "#FFFFFF", "#131316"
TINT, TINT_DARK = "#EEEDFB", "#26263B"
FAILED, FAILED_DARK = "#B3261E", "#F2877F"

# Drawn by a script, which knows no style sheet: seen by day and by night.
WAVEFORM = WaveformOptions(waveform_color="#9A98A0", waveform_progress_color="#6F6DF0")

_PALETTE = colors.Color(
    name="atelier",
    c50=PAPER,
    c100="#F3F1EC",
    c200=HAIRLINE,
    c300=OUTLINE,
    c400="#8F8D93",
    c500=QUIET,
    c600="#55545A",
    c700="#3B3B41",
    c800=HAIRLINE_DARK,
    c900=SURFACE_DARK,
    c950=PAPER_DARK,
)
_TEXT = sizes.Size(
    name="atelier_text",
    xxs="11px",
    xs="12px",
    sm="13px",
    md="15px",
    lg="17px",
    xl="20px",
    xxl="26px",
)
_SPACE = sizes.Size(
    name="atelier_space", xxs="2px", xs="4px", sm="4px", md="8px", lg="8px", xl="12px", xxl="16px"
)
_RADIUS = sizes.Size(
    name="atelier_radius",
    xxs="4px",
    xs="4px",
    sm="6px",
    md="10px",
    lg="10px",
    xl="10px",
    xxl="10px",
)

# Light and dark of what a theme variable is set to.
_PAIRS: Mapping[str, tuple[str, str]] = {
    "body_background_fill": (PAPER, PAPER_DARK),
    "body_text_color": (INK, INK_DARK),
    "body_text_color_subdued": (QUIET, QUIET_DARK),
    "background_fill_primary": (SURFACE, SURFACE_DARK),
    "background_fill_secondary": (PAPER, PAPER_DARK),
    "border_color_primary": (HAIRLINE, HAIRLINE_DARK),
    "border_color_accent": (ACT, ACT_DARK),
    "border_color_accent_subdued": (HAIRLINE, HAIRLINE_DARK),
    "color_accent_soft": (TINT, TINT_DARK),
    "link_text_color": (ACT, ACT_DARK),
    "link_text_color_active": (ACT, ACT_DARK),
    "link_text_color_hover": (ACT_HOVER, ACT_HOVER_DARK),
    "link_text_color_visited": (ACT, ACT_DARK),
    "code_background_fill": (SURFACE, SURFACE_DARK),
    "block_background_fill": ("transparent", "transparent"),
    "block_border_color": (HAIRLINE, HAIRLINE_DARK),
    "block_border_width": ("0px", "0px"),
    "block_info_text_color": (QUIET, QUIET_DARK),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_border_width": ("0px", "0px"),
    "block_label_text_color": (INK, INK_DARK),
    "block_title_background_fill": ("transparent", "transparent"),
    "block_title_border_width": ("0px", "0px"),
    "block_title_text_color": (INK, INK_DARK),
    "panel_background_fill": ("transparent", "transparent"),
    "panel_border_width": ("0px", "0px"),
    "accordion_text_color": (QUIET, QUIET_DARK),
    "input_background_fill": (SURFACE, SURFACE_DARK),
    "input_background_fill_focus": (SURFACE, SURFACE_DARK),
    "input_background_fill_hover": (SURFACE, SURFACE_DARK),
    "input_border_color": (OUTLINE, OUTLINE_DARK),
    "input_border_color_focus": (ACT, ACT_DARK),
    "input_border_color_hover": (QUIET, QUIET_DARK),
    "input_border_width": ("1px", "1px"),
    "input_placeholder_color": ("#75747A", "#8E8D95"),
    "input_shadow": ("none", "none"),
    "input_shadow_focus": ("none", "none"),
    "slider_color": (ACT, ACT_DARK),
    "loader_color": (ACT, ACT_DARK),
    "checkbox_background_color": (SURFACE, SURFACE_DARK),
    "checkbox_background_color_focus": (SURFACE, SURFACE_DARK),
    "checkbox_background_color_hover": (SURFACE, SURFACE_DARK),
    "checkbox_background_color_selected": (ACT, ACT_DARK),
    "checkbox_border_color": (OUTLINE, OUTLINE_DARK),
    "checkbox_border_color_focus": (ACT, ACT_DARK),
    "checkbox_border_color_hover": (QUIET, QUIET_DARK),
    "checkbox_border_color_selected": (ACT, ACT_DARK),
    "checkbox_label_background_fill": (SURFACE, SURFACE_DARK),
    "checkbox_label_background_fill_hover": (SURFACE, SURFACE_DARK),
    "checkbox_label_background_fill_selected": (TINT, TINT_DARK),
    "checkbox_label_border_color": (OUTLINE, OUTLINE_DARK),
    "checkbox_label_border_color_hover": (QUIET, QUIET_DARK),
    "checkbox_label_border_color_selected": (ACT, ACT_DARK),
    "checkbox_label_border_width": ("1px", "1px"),
    "checkbox_label_shadow": ("none", "none"),
    "checkbox_label_text_color_selected": (INK, INK_DARK),
    "error_background_fill": (SURFACE, SURFACE_DARK),
    "error_border_color": (FAILED, FAILED_DARK),
    "error_text_color": (FAILED, FAILED_DARK),
    "error_icon_color": (FAILED, FAILED_DARK),
    "table_even_background_fill": (SURFACE, SURFACE_DARK),
    "table_odd_background_fill": (SURFACE, SURFACE_DARK),
    "table_border_color": (HAIRLINE, HAIRLINE_DARK),
    "button_primary_background_fill": (ACT, ACT_DARK),
    "button_primary_background_fill_hover": (ACT_HOVER, ACT_HOVER_DARK),
    "button_primary_border_color": (ACT, ACT_DARK),
    "button_primary_border_color_hover": (ACT_HOVER, ACT_HOVER_DARK),
    "button_primary_text_color": (ON_ACT, ON_ACT_DARK),
    "button_primary_text_color_hover": (ON_ACT, ON_ACT_DARK),
    "button_secondary_background_fill": (SURFACE, SURFACE_DARK),
    "button_secondary_background_fill_hover": (TINT, TINT_DARK),
    "button_secondary_border_color": (OUTLINE, OUTLINE_DARK),
    "button_secondary_border_color_hover": (QUIET, QUIET_DARK),
    "button_secondary_text_color": (INK, INK_DARK),
    "button_secondary_text_color_hover": (INK, INK_DARK),
    "button_cancel_background_fill": (SURFACE, SURFACE_DARK),
    "button_cancel_background_fill_hover": (TINT, TINT_DARK),
    "button_cancel_border_color": (FAILED, FAILED_DARK),
    "button_cancel_border_color_hover": (FAILED, FAILED_DARK),
    "button_cancel_text_color": (FAILED, FAILED_DARK),
    "button_cancel_text_color_hover": (FAILED, FAILED_DARK),
}

# What is the same by day and by night.
_SINGLE: Mapping[str, str] = {
    "body_text_size": "15px",
    "block_padding": "0px",
    "block_label_padding": "0px",
    "block_title_padding": "0px",
    "block_title_text_weight": "550",
    "block_title_text_size": "14px",
    "block_label_text_size": "14px",
    "block_info_text_size": "13px",
    "block_shadow": "none",
    "block_radius": "10px",
    "container_radius": "10px",
    "input_radius": "8px",
    "input_padding": "8px 12px",
    "layout_gap": "24px",
    "form_gap_width": "0px",
    "section_header_text_weight": "550",
    "prose_header_text_weight": "600",
    "button_transition": "background-color 120ms ease",
    "button_large_radius": "8px",
    "button_large_padding": "10px 20px",
    "button_large_text_size": "15px",
    "button_large_text_weight": "550",
    "button_medium_radius": "8px",
    "button_small_radius": "8px",
    "button_small_padding": "4px 12px",
    "button_small_text_size": "13px",
    "button_small_text_weight": "450",
    "button_primary_shadow": "none",
    "button_primary_shadow_hover": "none",
    "button_primary_shadow_active": "none",
    "button_secondary_shadow": "none",
    "button_secondary_shadow_hover": "none",
    "button_secondary_shadow_active": "none",
    "checkbox_border_radius": "4px",
    "checkbox_label_padding": "6px 12px",
    "checkbox_label_gap": "8px",
    "shadow_drop": "none",
    "shadow_drop_lg": "none",
    "shadow_spread": "0px",
    "color_accent": "*border_color_accent",
}


def theme() -> Base:
    """System fonts only: a font by name would be asked of another host."""
    base = Base(
        primary_hue=_PALETTE,
        secondary_hue=_PALETTE,
        neutral_hue=_PALETTE,
        text_size=_TEXT,
        spacing_size=_SPACE,
        radius_size=_RADIUS,
        font=["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"],
    )
    pairs = {name: light for name, (light, _) in _PAIRS.items()} | {
        f"{name}_dark": dark for name, (_, dark) in _PAIRS.items()
    }
    return base.set(**pairs, **_SINGLE)
