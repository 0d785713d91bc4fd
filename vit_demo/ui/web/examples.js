// Our pictures as buttons: each has a name, and tells its number when it is clicked.
const strip = element.querySelector(".vd-strip");

function load() {
  const data = props.value && props.value.data;
  if (!data) return;
  element.querySelector(".vd-heading").textContent = data.heading;
  strip.setAttribute("aria-label", data.heading);
  strip.replaceChildren(...data.pictures.map((picture, index) => {
    const button = document.createElement("button"), image = document.createElement("img");
    button.type = "button";
    button.title = picture.title;
    image.src = picture.src;
    image.alt = picture.label;
    button.append(image);
    button.addEventListener("click", () => trigger("select", { index }));
    return button;
  }));
}

watch("value", load);
load();
