import "@fontsource-variable/inter/wght.css";
import "./ui/tokens.css";
import "./ui/base.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries, refreshWhenBack } from "./api/queries";
import { follow } from "./api/session";
import { router } from "./routes";

follow();
refreshWhenBack();

const place = document.getElementById("root");
if (place === null) throw new Error("index.html has no place for the application");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
