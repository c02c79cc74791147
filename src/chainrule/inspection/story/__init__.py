"""The story of one prediction: the input, the layers, the reasons for the answer, and the effect of training on it.

    story = explain(model, x, y)
    print(story)                 # in a terminal
    story.write("why.html")      # as a page that works offline

The passes are those of `Model.trace` in prediction mode and of `chainrule.inspection.attribution`, in float64. Every
number is computed, and every sentence is built from the numbers.
"""

from chainrule.inspection.story.explanation import explain
from chainrule.inspection.story.story import Story

__all__ = ["Story", "explain"]
