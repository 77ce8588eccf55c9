  const NOTE_WAIT_MS = 1200;

  let checklist = null, round = null, person = {};
  let screen = "", refresh = null;
  let noteTimers = {};
  let files = [];
  const articles = {};
  const seenGroups = {};
  const wanted = {};   // focus items that the rest of their group went ahead of

  // ---- what is known, and what has just been tapped and is on its way ----

  const given = (number) => round.answers[number] || null;
  const items = () => checklist.groups.reduce((all, group) => all.concat(group.items), []);
  const missing = (among) => among.filter((item) => !given(item.number));
  const done = () => Object.keys(round.answers).length;
  const inOrder = (group) => group.items.filter((item) => item.is_focus).concat(group.items.filter((item) => !item.is_focus));
  const label = (answer) => checklist.labels.find((each) => each.answer === answer).label;
  const named = (numbers) => "điều " + numbers.join(", ");

  function act(command, then) {
    send(Object.assign({ round: round.id }, command), (page) => {
      if (page.refused) {
        show(page);
        complain(page.refused);
        return;
      }
      // What was tapped since then is on its way: the page knows better until that is answered, too.
      if (page.files) files = page.files;
      if (page.round && !queue.length && !Object.keys(noteTimers).length) {
        keepRound(page.round);
        if (refresh) refresh();
      }
      if (page.screen && page.screen !== "round") show(page);
      else if (then) then(page);
    });
  }

  function setAnswer(item, answer) {
    const before = given(item.number);
    if (before && before.answer === answer) return;
    forgetNote(item.number);
    round.answers[item.number] = { answer, is_reported: false, note: "" };
    act({ do: "answer", item: item.number, answer });
    refresh();
  }

  // ---- screens ----

  window.show = show;
  function show(page) {
    stage.setAttribute("aria-busy", "false");
    person = page;
    find("where").textContent = page.name || "Tự Soi";
    if (page.checklist) checklist = page.checklist;
    if (page.round) keepRound(page.round);
    files = page.files || files;
    refresh = null;
    noteTimers = {};
    if (page.screen === "code") return settle(drawCode(WORDS.who, page.text, codeAnswered));
    if (page.screen === "consent") return settle(drawConsent());
    if (page.screen === "nothing") return settle(drawNothing(WORDS.title, page.text));
    if (!checklist) return look();
    return open(screenFromHistory() || (round.receipt ? "receipt" : "start"), true);
  }
  function keepRound(now) {
    round = now;
    Object.assign(WORDS, WORDS_UNDECIDED, round.is_decided ? WORDS_DECIDED : {});
  }
  function settle(heading) {
    screen = "";
    ["group-now", "count-now"].forEach((id) => { find(id).textContent = ""; });
    find("bar").hidden = true;
    lookAt(heading);
  }
  function look() { send({ do: "look" }, show); }

  function codeAnswered(page) {
    if (page.refused) {
      show(page);
      complain(page.refused);
    } else {
      look();
    }
  }

  function addCopies(parent) {
    if (!files.length) return;
    const details = add(parent, "details");
    add(details, "summary", "", WORDS.copies);
    addFiles(add(details, "div", "actions"), files, WORDS.copy);
  }
  function addWays(parent) {
    addLink(parent, WORDS.ask, "/", "small");
    if (person.leads) addLink(parent, WORDS.leads, "/bi-thu", "small");
  }

  function drawConsent() {
    const heading = begin(WORDS.notice);
    const card = add(stage, "section", "card");
    add(card, "p", "lines", person.text);
    const choices = add(card, "div", "actions");
    addButton(choices, WORDS.agree, (button) => {
      button.setAttribute("aria-disabled", "true");
      send({ do: "agree", notice: person.notice }, (page) => { show(page); if (page.refused) complain(page.refused); });
    }, "first");
    const declined = person.declined;
    addButton(choices, WORDS.notNow, () => settle(drawNothing(WORDS.declined, declined)));
    offerSlipCode(person.name, codeAnswered);
    return heading;
  }

  function drawNothing(title, text) {
    const heading = begin(title);
    const card = add(stage, "section", "card");
    add(card, "p", "lines", text);
    addWays(add(card, "div", "actions"));
    offerSlipCode(person.name, codeAnswered);
    return heading;
  }

  /** Opens a screen: "start", "preview", "receipt" or a group's number; the phone's own back leads to the one before. */
  function open(name, isSame) {
    flushNotes();
    if (name === "receipt" && !round.receipt) name = "preview";
    screen = String(name);
    if (isSame) history.replaceState({ screen }, ""); else history.pushState({ screen }, "");
    draw();
  }
  function screenFromHistory() {
    const kept = history.state && history.state.screen;
    return kept && (kept === "start" || kept === "preview" || kept === "receipt" || Number(kept) <= checklist.groups.length) ? kept : "";
  }
  window.addEventListener("popstate", () => {
    if (!round || !checklist || !screen) return;
    flushNotes();
    screen = screenFromHistory() || "start";
    if (screen === "receipt" && !round.receipt) screen = "preview";
    draw();
  });
  function draw() {
    refresh = null;
    const heading = screen === "start" ? drawStart() : screen === "preview" ? drawPreview()
      : screen === "receipt" ? drawReceipt() : drawGroup(checklist.groups[Number(screen) - 1]);
    drawProgress();
    lookAt(heading);
  }

  function drawProgress() {
    const isGroup = /^\d+$/.test(screen), total = round.total;
    const isHidden = screen === "start" || screen === "receipt";
    find("bar").hidden = isHidden;
    find("group-now").textContent = isGroup ? WORDS.groupNow(screen, checklist.groups.length) : "";
    find("count-now").textContent = isHidden ? "" : WORDS.countNow(done(), total);
    find("bar").max = total;
    find("bar").value = done();
  }

  const firstMissing = () => {
    const group = checklist.groups.find((each) => missing(each.items).length);
    return group ? String(group.number) : "preview";
  };

  function drawStart() {
    const heading = begin(WORDS.round(round.month));
    const card = add(stage, "section", "card");
    add(card, "p", "lines", round.intro);
    if (round.is_late && !round.receipt) add(card, "p", "notice", WORDS.lateNow(round.due));
    if (done()) add(card, "p", "", WORDS.answered(done(), round.total));
    addButton(add(card, "div", "actions"), done() ? WORDS.goOn : WORDS.start, () => open(firstMissing()), "first");
    const about = add(card, "details");
    add(about, "summary", "", WORDS.about);
    add(about, "p", "lines muted", checklist.intro);
    addWays(add(stage, "div", "actions"));
    offerSlipCode(person.name, codeAnswered);
    return heading;
  }

  function drawGroup(group) {
    const heading = begin(group.title);
    if (!seenGroups[group.number] && !round.is_settled) {
      seenGroups[group.number] = true;
      act({ do: "show", group: group.number });
    }
    if (round.is_settled) add(stage, "p", "notice", round.settled);
    add(stage, "p", "", group.question);
    if (round.receipt && !round.is_settled) add(stage, "p", "muted", WORDS.keptAtOnce);
    const rest = group.items.filter((item) => !item.is_focus);
    const drawn = inOrder(group).map((item) => drawItem(item));
    const ways = add(stage, "div", "actions");
    let whole = null;
    if (!round.is_settled && rest.length) {
      whole = addButton(ways, WORDS.wholeGroup, () => answerGroup(group), "first");
    }
    const isLast = group.number === checklist.groups.length;
    const next = addButton(ways, isLast ? round.receipt ? WORDS.toOwn : WORDS.toPreview : WORDS.next, () => open(isLast ? "preview" : group.number + 1));
    if (group.number > 1) addButton(ways, WORDS.back, () => open(group.number - 1));
    refresh = () => {
      drawn.forEach((update) => update());
      const left = missing(rest).length;
      if (whole) {
        whole.hidden = !left;
        whole.textContent = left < rest.length ? WORDS.restOfGroup : WORDS.wholeGroup;
      }
      next.classList.toggle("first", !missing(group.items).length);
      drawProgress();
    };
    refresh();
    return heading;
  }

  function answerGroup(group) {
    missing(group.items.filter((item) => !item.is_focus)).forEach((item) => {
      round.answers[item.number] = { answer: "none", is_reported: false, note: "" };
    });
    act({ do: "group", group: group.number });
    const left = missing(group.items);
    if (!left.length) {
      open(group.number === checklist.groups.length ? "preview" : group.number + 1);
      return;
    }
    left.forEach((item) => { wanted[item.number] = true; });
    refresh();
    announce(WORDS.focusLeft(named(left.map((item) => item.number))));
    const first = find("item-" + left[0].number);
    first.scrollIntoView({ block: "start" });
    first.querySelector(".answers button").focus({ preventScroll: true });
  }

  /** Draws an item; returns what brings it up to date. */
  function drawItem(item) {
    const number = item.number, isFixed = round.is_settled;
    const card = add(stage, "section", "card item" + (item.is_focus ? " focus" : ""));
    card.id = "item-" + number;
    const badge = item.is_focus ? add(card, "p", "badge") : null;
    const title = add(card, "h3", "", WORDS.item(number) + ". " + item.title);
    title.id = "title-" + number;
    const question = add(card, "p", "", item.question);
    question.id = "question-" + number;
    const links = make("div", "links");
    const examples = add(links, "details");
    examples.open = item.is_focus;
    add(examples, "summary", "", WORDS.examples);
    const list = add(examples, "ul");
    item.examples.forEach((example) => add(list, "li", "", example));
    if (item.note) add(examples, "p", "muted", item.note);
    const answers = make("div", "answers");
    answers.setAttribute("role", "group");
    answers.setAttribute("aria-labelledby", title.id + " " + question.id);
    const buttons = checklist.labels.map((each) => {
      const button = addButton(answers, each.label, () => setAnswer(item, each.answer));
      if (isFixed) button.setAttribute("aria-disabled", "true");
      return button;
    });
    const more = make("div", "more");
    const text = make("div", "card-article");
    text.hidden = true;
    addButton(links, WORDS.read(number), (button) => toggleArticle(number, text, button), "small quiet").setAttribute("aria-expanded", "false");
    card.appendChild(links);
    card.appendChild(text);
    card.appendChild(answers);
    card.appendChild(more);
    let shown = null, update = null;
    return () => {
      const now = given(number), answer = now ? now.answer : "";
      if (badge) badge.textContent = !now && wanted[number] ? WORDS.focusUnanswered : WORDS.focus;
      checklist.labels.forEach((each, index) => buttons[index].setAttribute("aria-pressed", String(each.answer === answer)));
      if (shown !== answer) {
        shown = answer;
        clear(more);
        more.hidden = answer !== "present" && answer !== "discuss";
        update = answer === "present" ? drawReport(item, more, isFixed) : answer === "discuss" ? drawTalk(more, isFixed) : null;
      }
      if (update) update();
    };
  }

  function drawTalk(parent, isFixed) {
    if (parent.classList.contains("more")) add(parent, "p", "", WORDS.whetherToTalk);
    const button = addButton(parent, WORDS.talk, () => {
      round.wants_talk = !round.wants_talk;
      act({ do: "talk", wanted: round.wants_talk });
      if (refresh) refresh();
    });
    if (isFixed) button.setAttribute("aria-disabled", "true");
    return () => button.setAttribute("aria-pressed", String(round.wants_talk));
  }

  function drawReport(item, parent, isFixed) {
    const number = item.number;
    add(parent, "p", "", WORDS.whetherToReport);
    const two = add(parent, "div", "two");
    const choose = (wanted) => () => {
      if (given(number).is_reported === wanted) return;
      given(number).is_reported = wanted;
      act({ do: "report", item: number, wanted });
      refresh();
    };
    const yes = addButton(two, WORDS.report, choose(true)), no = addButton(two, WORDS.keep, choose(false));
    if (isFixed) [yes, no].forEach((button) => button.setAttribute("aria-disabled", "true"));
    const details = add(parent, "details");
    details.open = Boolean(given(number).note);
    add(details, "summary", "", WORDS.write);
    add(details, "p", "notice", checklist.warning);
    const field = add(details, "p"), labelled = add(field, "label", "hidden", WORDS.noteLabel(number)), area = add(field, "textarea");
    area.id = "note-" + number;
    labelled.htmlFor = area.id;
    area.rows = 4;
    area.maxLength = checklist.note_characters;
    area.readOnly = isFixed;
    area.value = given(number).note;
    const reader = add(details, "p", "muted"), left = add(details, "p", "muted");
    reader.id = "reader-" + number;
    area.setAttribute("aria-describedby", reader.id);
    const measure = () => { left.textContent = WORDS.left(checklist.note_characters - area.value.length); };
    area.addEventListener("input", () => {
      measure();
      given(number).note = area.value;
      clearTimeout((noteTimers[number] || {}).timer);
      const save = () => { forgetNote(number); act({ do: "note", item: number, note: area.value }); };
      noteTimers[number] = { timer: setTimeout(save, NOTE_WAIT_MS), save };
    });
    area.addEventListener("blur", () => { if (noteTimers[number]) noteTimers[number].save(); });
    return () => {
      const now = given(number);
      yes.setAttribute("aria-pressed", String(now.is_reported));
      no.setAttribute("aria-pressed", String(!now.is_reported));
      reader.textContent = now.is_reported ? WORDS.readByAll : WORDS.readByMe;
      if (document.activeElement !== area && !noteTimers[number]) area.value = now.note;
      measure();
    };
  }
  function forgetNote(number) {
    if (noteTimers[number]) clearTimeout(noteTimers[number].timer);
    delete noteTimers[number];
  }
  function flushNotes() { Object.keys(noteTimers).forEach((number) => noteTimers[number].save()); }

  function toggleArticle(number, text, button) {
    const isOpen = !text.hidden;
    text.hidden = isOpen;
    button.setAttribute("aria-expanded", String(!isOpen));
    button.textContent = isOpen ? WORDS.read(number) : WORDS.hide(number);
    if (isOpen || text.firstChild) return;
    const fill = (blocks) => {
      clear(text);
      blocks.forEach((block) => {
        const isQuote = block.kind === "quote";
        add(text, isQuote ? "blockquote" : "p", isQuote ? "" : block.kind === "notice" ? "notice" : "citation", block.text);
      });
    };
    if (articles[number]) fill(articles[number]);
    else act({ do: "article", item: number }, (page) => { articles[number] = page.article.blocks; fill(articles[number]); });
  }

  // ---- preview, handing in, receipt ----

  function drawPreview() {
    const heading = begin(round.receipt ? WORDS.again : WORDS.preview);
    const left = missing(items());
    const isFixed = round.is_settled;
    if (round.receipt) fill(add(stage, "p", "done"), round.receipt);
    if (isFixed) add(stage, "p", "notice", round.settled);
    if (left.length) {
      const card = add(stage, "section", "card");
      add(card, "p", "", WORDS.missing(named(left.map((item) => item.number))));
      addButton(card, WORDS.goOn, () => open(firstMissing()), "first");
    }
    const by = (answer) => items().filter((item) => given(item.number) && given(item.number).answer === answer)
      .sort((one, other) => one.number - other.number);
    const card = add(stage, "section", "card");
    const list = add(card, "ul", "sum");
    list.setAttribute("role", "list");
    by("present").concat(by("discuss")).forEach((item) => {
      const now = given(item.number), isPresent = now.answer === "present";
      const line = add(list, "li");
      add(line, "span", "", WORDS.item(item.number) + ": " + label(now.answer).toLowerCase()
        + (isPresent ? ", " + (now.is_reported ? WORDS.reported : WORDS.private) : ""));
      addChange(line, item.number, isFixed);
    });
    if (by("none").length) {
      const line = add(list, "li");
      add(line, "span", "", WORDS.none(by("none").length));
      if (!isFixed) addChange(line, 0, isFixed);
    }
    const seen = drawSeen();
    const talk = drawTalk(add(stage, "div", "actions"), isFixed);
    talk();
    seen();
    refresh = () => { talk(); seen(); drawProgress(); };
    if (left.length || round.receipt) {
      addWays(add(stage, "div", "actions"));
      return heading;
    }
    const last = add(stage, "section", "card");
    add(last, "p", "muted", WORDS.commitment);
    add(last, "blockquote", "", checklist.commitment.trim());
    if (round.is_late) add(last, "p", "notice", WORDS.lateNow(round.due));
    addButton(last, WORDS.submit, (button) => {
      button.setAttribute("aria-disabled", "true");
      button.textContent = WORDS.submitting;
      act({ do: "submit" }, (page) => {
        keepRound(page.round);
        open("receipt", true);
      });
    }, "first");
    return heading;
  }

  function addChange(line, number, isFixed) {
    if (isFixed) return;
    const group = number ? checklist.groups.find((each) => each.items.some((item) => item.number === number)) : checklist.groups[0];
    const button = addButton(line, WORDS.change, () => {
      open(group.number);
      const card = number ? find("item-" + number) : null;
      if (card) {
        card.scrollIntoView({ block: "start" });
        card.querySelector(".answers button").focus({ preventScroll: true });
      }
    }, "small");
    if (number) button.setAttribute("aria-label", WORDS.change + " " + WORDS.item(number));
  }

  /** Says what the secretary will see; returns what brings it up to date. */
  function drawSeen() {
    const card = add(stage, "section", "card");
    add(card, "h3", "", WORDS.willSee);
    const list = add(card, "ul");
    return () => {
      clear(list);
      const numbers = items().map((item) => item.number).filter((number) => given(number) && given(number).is_reported)
        .sort((one, other) => one - other);
      const noted = numbers.filter((number) => given(number).note);
      add(list, "li", "", WORDS.seesHandedIn);
      add(list, "li", "", numbers.length ? WORDS.seesReported(named(numbers)) : WORDS.seesNothing);
      if (noted.length) add(list, "li", "", WORDS.seesNote(named(noted)));
      if (round.wants_talk) add(list, "li", "", WORDS.seesTalk);
    };
  }

  function drawReceipt() {
    const heading = begin(WORDS.receipt);
    fill(add(stage, "p", "done"), round.receipt).setAttribute("role", "status");
    const ways = add(stage, "div", "actions");
    addButton(ways, WORDS.seeAgain, () => open("preview"), "first");
    addCopies(ways);
    addWays(ways);
    offerSlipCode(person.name, codeAnswered);
    return heading;
  }

  // What was answered in the chat or in another tab meanwhile shows when the page comes into view again.
  function catchUp() {
    if (document.hidden || queue.length || Object.keys(noteTimers).length || !round || !screen) return;
    send({ do: "look" }, (page) => {
      if (queue.length || Object.keys(noteTimers).length) return;
      const isSame = page.screen === "round" && page.round.id === round.id
        && page.round.is_settled === round.is_settled && Boolean(page.round.receipt) === Boolean(round.receipt);
      if (!isSame) return show(page);
      keepRound(page.round);
      if (screen === "preview") draw();
      else if (refresh) refresh();
      else if (screen === "start") draw();
    });
  }
  document.addEventListener("visibilitychange", catchUp);
  window.addEventListener("pageshow", (event) => { if (event.persisted) catchUp(); });

  proveWho(look, (why) => {
    stage.setAttribute("aria-busy", "false");
    settle(drawNothing(WORDS.title, why));
  });
