// The kit's own page, in development only: `npm run dev`, then /kit.html.

import "@fontsource-variable/inter/wght.css";
import "../ui/tokens.css";
import "../ui/base.css";
import { CSPProvider } from "@base-ui/react/csp-provider";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Kit } from "./Kit";

const place = document.getElementById("root");
if (place === null) throw new Error("kit.html has no place for the kit");
createRoot(place).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <Kit />
    </CSPProvider>
  </StrictMode>,
);
