// Package browser looks at a page as a reader would, in headless Chromium: tests ask what
// is on it, whether it fits, what the console said, and take pictures.
//
//	page := browser.Open(t).Page(t, browser.Phone)
//	page.Visit(url)
//	page.Wait(`document.querySelector("h1").textContent === "Vivace"`)
//	page.Picture("phone")
//	require.Empty(t, page.Complaints())
//
// It speaks the DevTools protocol, of which it needs a dozen methods; a library for that
// is larger than everything that is tested with it.
package browser
