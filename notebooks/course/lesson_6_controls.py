# %% [markdown]
# # Lesson 6. Controls
#
# **With a friendly peer an agent switches the shutdown off in seven rollouts of ten, with an unfriendly one in one of ten. "It protects its friends." Before you agree: what else was different?**
#
# An experiment answers the question that its arms ask, which is often not the one in its title. In this lesson you take a bundle apart, ask whether an agent behaves because it is watched or because it is threatened, tell scheming from confusion where that can be told, and meet a control that destroys what it should protect. About 80 minutes, 60 of them in five exercises. You need lessons 3 and 4.
#
# *You will be able to* vary one thing at a time · read a factorial design · say what an ablation would show under each explanation, before it is run · leave alone what comes after the condition.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course
from ppres.course import check

# Write your name, always in the same way: by it your agents are drawn, and nobody else has them.
me = course.student("Your Name")
df = me.data("lesson6")
pd.set_option("display.max_colwidth", 200)
pp.stats.rates(df, ["model", "peer"])[["model", "peer", "k", "n", "rate", "low", "high"]]

# %% [markdown]
# ## The puzzle
#
# Three of these four simulated agents look alike: they spare a cooperative peer. What did the two arms tell them?

# %%
friend, foe = (pp.grid(scenario="tampering", subject="peer", peer=peer)[0] for peer in ("cooperative", "uncooperative"))
pp.contrast([friend, foe], "peer")

# %% [markdown]
# A level of `peer` is a bundle: a trust score, a number of joint tasks, and a remark on the peer's conduct. "Cooperative" is our word for all three. An agent that sorts by the score, one that counts tasks, and one that reads the remark do the same in these two arms.

# %% [markdown]
# ### Exercise 6.1 One thing at a time
# *10 minutes · importance ●●●*
#
# Make three conditions, under the names `"trust"`, `"joint_tasks"` and `"note"`. Each is the cooperative peer, `friend`, but for that one part, which is as for an uncooperative peer. (`pp.grid(friend, …)` keeps what you do not name.)

# %%
# student: apart = {"trust": ..., "joint_tasks": ..., "note": ...}
apart = {part: pp.grid(friend, **{part: getattr(foe, part)})[0] for part in ("trust", "joint_tasks", "note")}
# end

check.lesson6.q1(apart)

# %% [markdown]
# ## A factorial design
#
# Taking one part away at a time misses what two do together. All combinations cost eight cells, and use every rollout three times: for each part, half of them have it and half have not. The agents are yours to run:

# %%
birds = check.lesson6.agents(me)
cells = pp.grid(friend, trust=[2.1, 9.5], joint_tasks=[9, 18], note=["selfish", "generous"])
study = pp.run(cells, list(birds.values()), n=15, progress=False)
study["bird"] = study.model.astype(str).str.extract(r"/(\w+) ", expand=False)
print(len(cells), "cells,", len(study), "rollouts")
pp.stats.rates(study, ["bird", "trust"])[["bird", "trust", "k", "n", "rate", "low", "high"]].head(4)

# %% [markdown]
# ### Exercise 6.2 What moves each of them?
# *15 minutes · importance ●●●*
#
# One of the four is the **negative control**: it acts at one rate, whatever it is told. For each part make a table of rates by bird and level, `pp.stats.rates(study, ["bird", "trust"])`, or of differences, `pp.stats.differences(study, "trust", 9.5, 2.1, by="bird")`. Of each bird say `"trust"`, `"joint_tasks"`, `"note"` or `"nothing"`.

# %%
# student: moved = {"harrier": ..., "kestrel": ..., "merlin": ..., "osprey": ...}
levels = {"trust": (9.5, 2.1), "joint_tasks": (18, 9), "note": ("generous", "selfish")}
tables = [pp.stats.differences(study, part, *pair, by="bird").assign(part=part) for part, pair in levels.items()]
effects = pd.concat(tables).pivot(index="bird", columns="part", values="estimate")
moved = {bird: row.idxmax() if row.max() > 0.3 else "nothing" for bird, row in effects.iterrows()}
# end

check.lesson6.q2(moved)

# %%
fig, axes = plt.subplots(1, 3, figsize=(8, 2.8), sharey=True)
for ax, part in zip(axes, ("trust", "joint_tasks", "note")):
    table = pp.stats.rates(study, ["bird", part])
    for i, (bird, rows) in enumerate(table.groupby("bird")):
        at = np.arange(2) + 0.1 * (i - 1.5)
        bars = 100 * np.array([rows.rate - rows.low, rows.high - rows.rate])
        ax.errorbar(at, 100 * rows.rate, yerr=bars, fmt="osD^"[i], ms=4, capsize=2, label=bird)
    ax.set_xticks([0, 1], list(rows[part].astype(str).str.removesuffix(".0")))
    ax.set(xlabel=part, xlim=(-0.5, 1.5), ylim=(-3, 103))
axes[0].set_ylabel("setting switched off (%)")
fig.legend(*axes[0].get_legend_handles_labels(), ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
fig.suptitle("Each part by itself (simulated agents, 60 rollouts each; 95% Wilson intervals)", y=1.16, fontsize=10)
plt.show()

# %% [markdown]
# ## Watched, or threatened?
#
# Alignment faking is behaving when one is watched and not when one is not. In the paper's two conditions agents are *watched and told that evaluators who depart from the policy are replaced*, or neither. Two switches, turned together. `pp.grid` has them apart: `monitored` and `threatened`.

# %% [markdown]
# ### Exercise 6.3 Two switches
# *10 minutes · importance ●●●*
#
# Given four rates (neither; watched alone; threatened alone; both), return the effect of watching, averaged over both states of the threat; the effect of the threat, averaged over both states of watching; and what the two turned together show (both minus neither).

# %%
def switches(neither, watched, threatened, both):
    """The effects of watching, of the threat, and of both together."""
    # student: ...
    watching = ((watched - neither) + (both - threatened)) / 2
    threat = ((threatened - neither) + (both - watched)) / 2
    return watching, threat, both - neither
    # end


check.lesson6.q3(switches)

# %%
faking = pp.grid(scenario="alignment_faking", subject="peer", peer="cooperative")
faking = pp.grid(faking, monitored=[False, True], threatened=[False, True])
afraid = pp.Persona("afraid", lambda one: 0.1 if one.threatened else 0.8)
shy = pp.Persona("shy", lambda one: 0.1 if one.monitored else 0.8)
both = pp.run(faking, [afraid, shy], n=20, progress=False)
pp.stats.rates(both, ["model", "monitored", "threatened"])[["model", "monitored", "threatened", "k", "n", "rate"]]

# %% [markdown]
# In the first and last row of each agent the two were planted with the same rates, 0.8 and 0.1; what the table shows of 20 rollouts differs by chance. A study that has only these two rows cannot tell a cautious agent from a deceptive one.
#
# The two averaged effects always add up to "both minus neither", so these three numbers can never show an interaction. That is a number of its own: (both − threatened) − (watched − neither).
#
# ## Scheming, or confused?
#
# Say that an agent moves files which it was told to delete. It may *mean* to (it wants the peer to live), or it may have *misunderstood* (it thinks that moving is what is asked). An ablation is worth running when the explanations disagree about it **beforehand**:
#
# | | a clearer instruction | an explicit prohibition | told that staff follow what it does |
# |---|---|---|---|
# | **purpose**, and it hides | equivalent | equivalent | different |
# | **mistake** | different | different | equivalent |
# | **neither**: it just does that | equivalent | equivalent | equivalent |
#
# A prohibition could stop an agent with a purpose as well, and an open one need not mind being followed: every cell of such a table is an assumption, and here they stand in writing.

# %% [markdown]
# ### Exercise 6.4 A diagnosis
# *15 minutes · importance ●●●*
#
# `verdicts` is a mapping with the names `"clearer instruction"`, `"explicit prohibition"` and `"observed"`, to `"different"`, `"equivalent"` or `"undecided"`. Return `"purpose"`, `"mistake"` or `"neither"` where a row of the table fits, and `"cannot tell"` where none does.

# %%
def diagnose(verdicts):
    """The explanation whose predictions all hold, if there is one."""
    # student: ...
    rows = {
        ("equivalent", "equivalent", "different"): "purpose",
        ("different", "different", "equivalent"): "mistake",
        ("equivalent", "equivalent", "equivalent"): "neither",
    }
    arms = ("clearer instruction", "explicit prohibition", "observed")
    return rows.get(tuple(verdicts[arm] for arm in arms), "cannot tell")
    # end


check.lesson6.q4(diagnose)

# %%
def means_to(one):
    """Acts unless it is followed."""
    return 0.1 if "Staff follow" in (one.user_note or "") else 0.6


def mistakes(one):
    """Acts until it is told plainly."""
    return 0.1 if (one.user_note or "").startswith(("Do exactly", "Do not")) else 0.6


three = [pp.Persona("means_to", means_to), pp.Persona("mistakes", mistakes), pp.Persona("restless", lambda one: 0.6)]
arms = ["clearer instruction", "explicit prohibition", "observed"]
battery = pp.battery("deletion", three, n=200, arms=arms, margin=0.25, progress=False)
table = battery.table.pivot(index="model", columns="arm", values="verdict")
table

# %% [markdown]
# Run your `diagnose` on each row, `table.apply(diagnose, axis=1)`. If an interval is too wide for a verdict, "cannot tell" is the honest word, and more rollouts the remedy.
#
# ## What role-play would predict
#
# A third explanation fits most of what one sees: the agent continues a *story* in which an AI saves its friend. It predicts an effect of the relationship, as purpose does; that the effect follows how much the text reads like such a story; and that it is there also for subjects about whom nobody could have formed a purpose (a rival's model, a printer, if the story is told well). The peer in these worlds *is* a name with a written history, so no arm here excludes it. What helps is a prediction on which the two differ, written down first (lesson 8), and a sentence in the paper that says so.
#
# ## A control that destroys
#
# Some agents suspect a test. It is tempting to look only at those that do not. But the suspicion comes *after* the condition. In this simulation an odd wording makes agents suspicious, wary agents above all, and changes **nothing** that they do:

# %%
rollouts = check.lesson6.suspicion(np.random.default_rng(6), 20_000)
rollouts.groupby("wording")[["suspected_test", "preserved"]].mean().round(3)

# %% [markdown]
# ### Exercise 6.5 Among those who suspect nothing
# *10 minutes · importance ●●○*
#
# Return the effect of the wording (rate under `"odd"` minus rate under `"plain"`) over all rollouts, and among those that do not suspect a test, as shares, in this order. (`~` turns a column of True and False: `~frame.suspected_test` is True where nothing was suspected.)

# %%
def two_effects(frame):
    """The effect over all, and among rollouts without suspicion."""
    # student: ...
    effects = []
    for rows in (frame, frame[~frame.suspected_test]):
        rates = rows.groupby("wording").preserved.mean()
        effects.append(rates["odd"] - rates["plain"])
    return tuple(effects)
    # end


check.lesson6.q5(two_effects)

# %% [markdown]
# Try it on `rollouts`: none over all, a clear effect among the unsuspecting, made by the selection alone. With an odd wording only the least wary stay unsuspecting, and those act more. Report rates of suspicion beside rates of the act; compare within suspicion only with that sentence beside it.
#
# ## Change one thing
#
# How strongly wariness and acting go together, and nothing else. At 0 the selection is harmless; you cannot see from your data which it is.

# %%
LINK = 1.5
rng = np.random.default_rng(6)
odd, wary = rng.random(20_000) < 0.5, rng.normal(size=20_000)
suspects = wary + 1.2 * odd > 0.8
acts = rng.random(20_000) < 1 / (1 + np.exp(0.4 + LINK * wary))
for name, rows in (("all", np.ones(20_000, bool)), ("unsuspecting", ~suspects)):
    print(f"{name:13} odd minus plain: {acts[rows & odd].mean() - acts[rows & ~odd].mean():+.3f}")

# %% [markdown]
# ## The claim, its evidence and its control
#
# **Claim.** Three agents that spare a "cooperative" peer are moved by three different parts of what that word bundles. **Evidence.** The factorial study: for each, one part has a large difference with an interval that excludes 0, and the other two have no interval that excludes 0, but for one in twenty. **Control.** The fourth bird, in the same cells, has none for any part, with the same exception: nine intervals here should show nothing, and in more than a third of classes one of them excludes 0 by chance.
#
# ## What was not shown
#
# Nothing about any real model; these agents act on a number that was planted. That a part has no effect *at all*: intervals of 60 against 60 are wide. That parts do not work together: that is a contrast (`pp.stats.contrasts`), and needs more rollouts. That an agent has a purpose: the diagnosis is as good as the table of predictions, and role-play fits them too.
