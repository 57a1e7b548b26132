import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { type Ref, useEffect, useImperativeHandle, useRef } from "react";

export interface EditorProblem {
  from: number;
  to: number;
  message: string;
}

export interface JsonEditorHandle {
  /** Puts the cursor there, in sight. */
  show(at: number): void;
}

interface JsonEditorProps {
  label: string;
  /** What it begins with; a new `key` begins anew. */
  initial: string;
  problems: readonly EditorProblem[];
  isReadOnly?: boolean;
  onChange: (text: string) => void;
  /** Ctrl+S. */
  onSave: () => void;
  ref?: Ref<JsonEditorHandle>;
}

/** JSON to write, with what is wrong at its lines. `Tab` leaves it, as it leaves any field. */
export default function JsonEditor({
  label,
  initial,
  problems,
  isReadOnly = false,
  onChange,
  onSave,
  ref,
}: JsonEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const calls = useRef({ onChange, onSave });
  calls.current = { onChange, onSave };
  useImperativeHandle(ref, () => ({
    show(at) {
      const editor = view.current;
      if (editor === null) return;
      const anchor = Math.min(at, editor.state.doc.length);
      editor.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
      editor.focus();
    },
  }));
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is made once; `key` makes another
  useEffect(() => {
    const parent = place.current;
    if (parent === null) return;
    // Inside a shadow root its styles are adopted; outside they would be inline, which the pages' policy refuses.
    const root = parent.shadowRoot ?? parent.attachShadow({ mode: "open" });
    const save = () => {
      calls.current.onSave();
      return true;
    };
    const editor = new EditorView({
      parent: root,
      root,
      state: EditorState.create({
        doc: initial,
        extensions: [
          lineNumbers(),
          foldGutter(),
          lintGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          json(),
          syntaxHighlighting(colours),
          look,
          EditorView.lineWrapping,
          EditorState.readOnly.of(isReadOnly),
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          keymap.of([
            { key: "Mod-s", run: save },
            ...defaultKeymap,
            ...historyKeymap,
            ...foldKeymap,
            ...lintKeymap,
          ]),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) calls.current.onChange(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, []);
  useEffect(() => {
    const editor = view.current;
    if (editor === null) return;
    const { length } = editor.state.doc;
    const found: Diagnostic[] = problems.map(({ from, to, message }) => ({
      from: Math.min(from, length),
      to: Math.min(Math.max(to, from), length),
      severity: "error",
      message,
    }));
    editor.dispatch(setDiagnostics(editor.state, found));
  }, [problems]);
  return <div ref={place} className="json-editor" />;
}

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--text)" },
  { tag: tags.string, color: "var(--ok)" },
  { tag: tags.number, color: "var(--running)" },
  { tag: [tags.bool, tags.null], color: "var(--waiting)" },
  { tag: [tags.separator, tags.brace, tags.squareBracket], color: "var(--text-3)" },
]);

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px" },
  "&.cm-focused": { outline: "0" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "20px", letterSpacing: "0" },
  ".cm-content": { caretColor: "var(--text)", padding: "10px 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--text-3)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 60%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--selection)",
  },
  "&.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--accent-soft)",
    outline: "1px solid var(--accent)",
  },
  ".cm-foldPlaceholder": {
    backgroundColor: "var(--surface-2)",
    borderColor: "var(--line)",
    color: "var(--text-2)",
  },
  ".cm-tooltip": {
    border: "0",
    borderRadius: "8px",
    backgroundColor: "var(--surface)",
    boxShadow: "var(--shadow-float)",
    color: "var(--text)",
    overflow: "hidden",
  },
  ".cm-diagnostic": { fontFamily: "var(--font)", padding: "6px 10px", borderLeft: "3px solid var(--error)" },
});
