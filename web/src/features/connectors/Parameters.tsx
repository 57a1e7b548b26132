import { parametersOf } from "../../graph/schema";
import { connectors as texts } from "../../text/connectors";
import { Words } from "../../ui/Prose";

/** What a node takes, from the schema that also checks it. */
export function Parameters({ schema }: { schema: unknown }) {
  const parameters = parametersOf(schema);
  if (parameters.length === 0) return <p className="faint">{texts.noParameters}</p>;
  const { columns } = texts;
  return (
    <table className="parameters">
      <thead>
        <tr>
          <th scope="col">{columns.name}</th>
          <th scope="col">{columns.type}</th>
          <th scope="col">{columns.description}</th>
        </tr>
      </thead>
      <tbody>
        {parameters.map((parameter) => (
          <tr key={parameter.name}>
            <th scope="row">
              <code>{parameter.name}</code>
              {parameter.isRequired && <span className="parameter-required">{texts.required}</span>}
            </th>
            <td>
              {parameter.types
                .map((type) => texts.types[type as keyof typeof texts.types] ?? type)
                .join(", ")}
              {parameter.choices.map((choice) => (
                <code key={choice} className="code parameter-choice">
                  {choice}
                </code>
              ))}
            </td>
            <td>
              <Words text={parameter.description.replaceAll("\n", " ")} />
              {parameter.default !== undefined && parameter.default !== null && (
                <span className="parameter-default">
                  {columns.default} <code className="code">{JSON.stringify(parameter.default)}</code>
                </span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
